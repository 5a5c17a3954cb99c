// SPDX-License-Identifier: GPL-2.0-or-later

// A Go client with a pool of its own. The caller's context ends, and the connection goes back to
// the pool although its reply is owed.
//
//	-way deadline   the context's deadline is the connection's read deadline
//	-way ctx        a goroutine waits for ctx.Done and ends the read, as drivers do
//	-way reader     a reader goroutine hands replies over by a channel; the caller stops listening
//
// The server is the line server: a request is a line with a tag, and the same line comes back.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

type truth struct {
	Wrong     int            `json:"wrong"`
	Closed    bool           `json:"closed"`
	Abandoned int            `json:"abandoned"`
	Reuse     map[string]int `json:"reuse"`

	port       int
	operations int
	owed       bool
	mutex      sync.Mutex
	received   int // replies that the reader goroutine has read
	sent       int
}

type connection struct {
	net.Conn
	lines   *bufio.Reader
	replies chan string
	truth   *truth
}

var (
	port  = flag.Int("port", 0, "of the line server")
	way   = flag.String("way", "deadline", "deadline, ctx or reader")
	order = flag.String("order", "early", "early or late")
	seed  = flag.Int64("seed", 1, "of the varied timings")
	count = flag.Int("timings", 20, "how many")

	all  []*truth
	tags int
)

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, "pool_ctx:", what+":", err)
	os.Exit(1)
}

func open() *connection {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(*port)))
	if err != nil {
		fail("connect", err)
	}
	c := &connection{Conn: conn, lines: bufio.NewReader(conn), truth: &truth{
		port:  conn.LocalAddr().(*net.TCPAddr).Port,
		Reuse: map[string]int{"unread": 0, "outstanding": 0, "residue": 0},
	}}
	all = append(all, c.truth)
	if *way == "reader" {
		c.replies = make(chan string, 16)
		go c.read()
	}
	return c
}

func (c *connection) read() {
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return
		}
		c.truth.mutex.Lock()
		c.truth.received++
		c.truth.mutex.Unlock()
		c.replies <- line
	}
}

// Bytes in the socket's queue, for the truth alone.
func (c *connection) queued() (bytes int32) {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		fail("SyscallConn", err)
	}
	raw.Control(func(fd uintptr) {
		syscall.Syscall(syscall.SYS_IOCTL, fd, 0x541b, uintptr(unsafe.Pointer(&bytes)))
	})
	return
}

func (c *connection) beforeSend() {
	c.truth.mutex.Lock()
	defer c.truth.mutex.Unlock()
	c.truth.operations++
	if c.truth.owed {
		switch {
		case c.truth.received == c.truth.sent && c.replies != nil:
			c.truth.Reuse["residue"]++
		case c.queued() > 0:
			c.truth.Reuse["unread"]++
		default:
			c.truth.Reuse["outstanding"]++
		}
		c.truth.owed = false
	}
	c.truth.sent++
}

func (c *connection) left() error {
	c.truth.Abandoned++
	c.truth.owed = true
	return context.DeadlineExceeded
}

func (c *connection) wait(ctx context.Context) (string, error) {
	switch *way {
	case "reader":
		select {
		case line := <-c.replies:
			return line, nil
		case <-ctx.Done():
			return "", c.left()
		}
	case "ctx":
		over := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			select {
			case <-ctx.Done():
				c.SetReadDeadline(time.Unix(1, 0))
			case <-over:
			}
			close(ended)
		}()
		line, err := c.lines.ReadString('\n')
		close(over)
		<-ended
		c.SetReadDeadline(time.Time{})
		return line, err
	}
	if limit, ok := ctx.Deadline(); ok {
		c.SetReadDeadline(limit)
		defer c.SetReadDeadline(time.Time{})
	}
	return c.lines.ReadString('\n')
}

type pool struct{ idle []*connection }

// Whatever happened to its exchange, the connection goes back.
func (p *pool) call(ctx context.Context, request string) error {
	var c *connection
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
	} else {
		c = open()
	}
	defer func() { p.idle = append(p.idle, c) }()
	c.beforeSend()
	if _, err := c.Write([]byte(request + "\n")); err != nil {
		fail("write", err)
	}
	line, err := c.wait(ctx)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return c.left()
	}
	if err == nil && strings.TrimSpace(line) != request {
		c.truth.Wrong++
	}
	return err
}

func tag(lag int) string {
	tags++
	if lag == 0 {
		return fmt.Sprintf("tag-%d", tags)
	}
	return fmt.Sprintf("tag-%d~%d~", tags, lag)
}

func (p *pool) clean(times int) {
	for ; times > 0; times-- {
		// A goroutine of its own for each, as a server has for each request.
		done := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			done <- p.call(ctx, tag(0))
		}()
		if err := <-done; err != nil {
			fail("a clean exchange", err)
		}
	}
}

func (p *pool) giveUp(lag, limit int) {
	done := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(),
			time.Duration(limit)*time.Millisecond)
		defer cancel()
		done <- p.call(ctx, tag(lag))
	}()
	// On a slow machine the reply can come first; then nothing was given up.
	if err := <-done; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		fail("a call with a limit", err)
	}
}

func main() {
	flag.Parse()
	varied := rand.New(rand.NewSource(*seed))
	between := func(low, high int) int { return low + varied.Intn(high-low+1) }
	var kept []*pool
	for ; *count > 0; *count-- {
		wronged, clean := &pool{}, &pool{}
		wronged.clean(between(0, 3))
		lag, limit := between(30, 60), between(2, 10)
		gap := between(0, lag/3)
		if *order == "late" {
			gap = lag - limit + between(10, 30)
		}
		wronged.giveUp(lag, limit)
		time.Sleep(time.Duration(gap) * time.Millisecond)
		wronged.clean(between(1, 3))
		clean.clean(3)
		kept = append(kept, wronged, clean)
	}
	// A pool outlives its last call: what its connections hold has the time to arrive, and rests.
	time.Sleep(500 * time.Millisecond)
	operations, wrong, abandoned := 0, 0, 0
	connections := map[string]*truth{}
	for _, t := range all {
		operations, wrong, abandoned = operations+t.operations, wrong+t.Wrong, abandoned+t.Abandoned
		connections[strconv.Itoa(t.port)] = t
	}
	// Its keys come out sorted; the scoreboard knows a truth by its first one.
	rest, err := json.Marshal(map[string]any{"pid": os.Getpid(), "operations": operations,
		"cancelled": abandoned, "cancelled_owed": abandoned, "wrong": wrong,
		"connections": connections})
	if err != nil {
		fail("json", err)
	}
	fmt.Printf("{\"workload\": \"go-pool-%s\", %s\n", *way, rest[1:])
	_ = kept
}
