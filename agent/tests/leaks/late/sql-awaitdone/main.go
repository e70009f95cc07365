// LEAK-FUNCTION: rows database/sql.(*Rows).initContextClose
// Reporting job: QueryContext with a cancellable context that lives as long as the service, rows not closed when the first row is
// enough. Culprit: database/sql.(*Rows).initContextClose (go rs.awaitDone).
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"log"
	"math/rand"
	"time"
)

type drv struct{ lat func() time.Duration }
type dconn struct{ d *drv }
type drows struct{ n int }
type dstmt struct{ c *dconn }
type dtx struct{}

func (d *drv) Open(string) (driver.Conn, error) {
	time.Sleep(5 * time.Millisecond)
	return &dconn{d}, nil
}
func (c *dconn) Prepare(q string) (driver.Stmt, error) { return &dstmt{c}, nil }
func (c *dconn) Close() error                          { return nil }
func (c *dconn) Begin() (driver.Tx, error)             { return dtx{}, nil }
func (dtx) Commit() error                              { return nil }
func (dtx) Rollback() error                            { return nil }
func (s *dstmt) Close() error                          { return nil }
func (s *dstmt) NumInput() int                         { return -1 }
func (s *dstmt) Exec(a []driver.Value) (driver.Result, error) {
	time.Sleep(s.c.d.lat())
	return driver.RowsAffected(1), nil
}
func (s *dstmt) Query(a []driver.Value) (driver.Rows, error) {
	time.Sleep(s.c.d.lat())
	return &drows{3}, nil
}
func (r *drows) Columns() []string { return []string{"id"} }
func (r *drows) Close() error      { return nil }
func (r *drows) Next(d []driver.Value) error {
	if r.n == 0 {
		return io.EOF
	}
	r.n--
	d[0] = int64(r.n)
	return nil
}

type report struct{ db *sql.DB }

func (o *report) exists(ctx context.Context, id int) (bool, error) {
	rows, err := o.db.QueryContext(ctx, "select 1 from t where id = ?", id)
	if err != nil {
		return false, err
	}
	return rows.Next(), nil
}

func (o *report) count(ctx context.Context) (int, error) {
	rows, err := o.db.QueryContext(ctx, "select id from t")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	sql.Register("fake", &drv{func() time.Duration { return time.Duration(2+rand.Intn(30)) * time.Millisecond }})
	db, err := sql.Open("fake", "")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := &report{db}
	for i := 0; ; i++ {
		if i%9 == 0 {
			o.exists(ctx, i)
		} else {
			o.count(ctx)
		}
		time.Sleep(time.Duration(40+rand.Intn(80)) * time.Millisecond)
	}
}
