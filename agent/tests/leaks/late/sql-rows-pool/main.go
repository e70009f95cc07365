// Orders service on database/sql (fake driver), MaxOpenConns 12; a Rows is not closed on an early return,
// so the pool dries up and every handler waits in DB.conn for ever.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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

type orders struct{ db *sql.DB }

var errDenied = errors.New("denied")

func (o *orders) list(ctx context.Context, user int) (int, error) {
	rows, err := o.db.QueryContext(ctx, "select id from orders where user = ?", user)
	if err != nil {
		return 0, err
	}
	n := 0
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return 0, err
		}
		if user == 13 {
			return 0, errDenied // rows stays open
		}
		n++
	}
	return n, rows.Close()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	sql.Register("fake", &drv{func() time.Duration { return time.Duration(2+rand.Intn(30)) * time.Millisecond }})
	db, err := sql.Open("fake", "")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(12)
	o := &orders{db}
	for {
		u := rand.Intn(60)
		go func() { // LEAK: sql-rows-pool
			_, _ = o.list(context.Background(), u)
		}()
		time.Sleep(time.Duration(30+rand.Intn(60)) * time.Millisecond)
	}
}
