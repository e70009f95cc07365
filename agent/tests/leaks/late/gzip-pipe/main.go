// Backup uploader: compresses through an io.Pipe in a goroutine; the uploader returns on a quota error without closing the reader.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand"
	"time"
)

func compress(src io.Reader) io.Reader {
	pr, pw := io.Pipe()
	go func() { // LEAK: gzip-pipe
		gz, _ := gzip.NewWriterLevel(pw, gzip.BestSpeed)
		_, err := io.Copy(gz, src)
		gz.Close()
		pw.CloseWithError(err)
	}()
	return pr
}

func upload(r io.Reader, quota int) error {
	buf := make([]byte, 1024)
	sent := 0
	for {
		n, err := r.Read(buf)
		sent += n
		if sent > quota {
			return errors.New("quota exceeded")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for {
		size := 2000 + rand.Intn(20000)
		b := make([]byte, size)
		rand.Read(b)
		go upload(compress(bytes.NewReader(b)), 18000)
		time.Sleep(time.Duration(150+rand.Intn(300)) * time.Millisecond)
	}
}
