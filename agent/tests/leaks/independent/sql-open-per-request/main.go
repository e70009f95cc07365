// A report opens its database anew each time, and closes the rows and the connection but never the database, which has a goroutine
// that opens connections.
// LEAK-FUNCTION: opener database/sql.OpenDB
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type fakeDriver struct{}

func (fakeDriver) Open(string) (driver.Conn, error) { return &fakeConn{}, nil }

type fakeConn struct{}

func (*fakeConn) Prepare(string) (driver.Stmt, error) { return fakeStatement{}, nil }
func (*fakeConn) Close() error                        { return nil }
func (*fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }

type fakeStatement struct{}

func (fakeStatement) Close() error                               { return nil }
func (fakeStatement) NumInput() int                              { return 0 }
func (fakeStatement) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }
func (fakeStatement) Query([]driver.Value) (driver.Rows, error)  { return &fakeRows{left: 5}, nil }

type fakeRows struct{ left int }

func (*fakeRows) Columns() []string { return []string{"n"} }
func (*fakeRows) Close() error      { return nil }
func (r *fakeRows) Next(values []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	values[0] = int64(r.left)
	return nil
}

func report() (total int64) {
	db, err := sql.Open("fake", "reports")
	if err != nil {
		return 0
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return 0
	}
	defer conn.Close()
	rows, err := conn.QueryContext(context.Background(), "select n from reports")
	if err != nil {
		return 0
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		_ = rows.Scan(&n)
		total += n
	}
	return total
}

func main() {
	sql.Register("fake", fakeDriver{})
	go func() {
		for {
			go report()
			time.Sleep(time.Duration(350+rand.Intn(300)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
