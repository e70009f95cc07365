// Database pool of 15 with waves of overload: handlers queue up for a connection for up to 20 s, then drain.
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

type repo struct{ db *sql.DB }

func (o *repo) list(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	rows, err := o.db.QueryContext(ctx, "select id from orders")
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
	sql.Register("fake", &drv{func() time.Duration { return time.Duration(200+rand.Intn(600)) * time.Millisecond }})
	db, err := sql.Open("fake", "")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(15)
	db.SetMaxIdleConns(5)
	db.SetConnMaxLifetime(20 * time.Second)
	o := &repo{db}
	start := time.Now()
	for {
		go o.list(context.Background())
		gap := 80 * time.Millisecond // 12/s
		if int(time.Since(start).Seconds())%70 < 30 {
			gap = 22 * time.Millisecond // 45/s > 30/s
		}
		time.Sleep(gap)
	}
}
