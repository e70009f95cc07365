// database/sql with a driver that has a watching goroutine for each connection, as that of MySQL does. The load grows for 20 s; there are
// at most 30 connections, each for at most 25 s. Above that the queries queue, but not for ever: 50 clients at most.
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
	"sync"
	"time"
)

type fakeDriver struct{}

func (fakeDriver) Open(string) (driver.Conn, error) {
	c := &fakeConn{watch: make(chan context.Context, 1), closed: make(chan struct{})}
	go c.watcher()
	return c, nil
}

type fakeConn struct {
	watch  chan context.Context
	closed chan struct{}
	once   sync.Once
}

func (c *fakeConn) watcher() {
	for {
		select {
		case ctx := <-c.watch:
			_ = ctx.Err()
		case <-c.closed:
			return
		}
	}
}

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return fakeStatement{}, nil }
func (c *fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }
func (c *fakeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

type fakeStatement struct{}

func (fakeStatement) Close() error  { return nil }
func (fakeStatement) NumInput() int { return 0 }
func (fakeStatement) Exec([]driver.Value) (driver.Result, error) {
	time.Sleep(time.Duration(100+rand.Intn(300)) * time.Millisecond)
	return driver.RowsAffected(1), nil
}
func (fakeStatement) Query([]driver.Value) (driver.Rows, error) { return nil, io.EOF }

func client(db *sql.DB) {
	for {
		_, _ = db.Exec("update counters")
		time.Sleep(time.Duration(rand.Intn(100)) * time.Millisecond)
	}
}

func main() {
	sql.Register("fake", fakeDriver{})
	db, err := sql.Open("fake", "counters")
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(30)
	db.SetMaxIdleConns(30)
	db.SetConnMaxLifetime(25 * time.Second)
	go func() {
		for i := 0; i < 50; i++ {
			go client(db)
			time.Sleep(400 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
