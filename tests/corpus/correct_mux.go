// SPDX-License-Identifier: GPL-2.0-or-later

// One connection, one goroutine that reads, and a queue of who waits. Callers whose context ends
// go away; the answer that was theirs is thrown away in its turn.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type connection struct {
	net.Conn
	lock    sync.Mutex
	waiting []chan string
}

func (c *connection) read() {
	lines := bufio.NewReader(c)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		c.lock.Lock()
		first := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.lock.Unlock()
		// There is room for it even if nobody waits any more.
		first <- strings.TrimSpace(line)
	}
}

func (c *connection) ask(ctx context.Context, tag string, delay int) (string, error) {
	answer := make(chan string, 1)
	c.lock.Lock()
	c.waiting = append(c.waiting, answer)
	_, err := fmt.Fprintf(c, "%s %d\n", tag, delay)
	c.lock.Unlock()
	if err != nil {
		panic(err)
	}
	select {
	case line := <-answer:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func main() {
	port := flag.Int("port", 0, "of the server")
	operations := flag.Int("operations", 800, "in all")
	callers := flag.Int("callers", 1, "at a time")
	flag.Parse()
	dialled, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		panic(err)
	}
	c := &connection{Conn: dialled}
	go c.read()
	var next, cancelled, wrong int64
	var group sync.WaitGroup
	for caller := 0; caller < *callers; caller++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				number := int(atomic.AddInt64(&next, 1))
				if number > *operations {
					return
				}
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
				tag := fmt.Sprintf("t%d", number)
				answer, err := c.ask(ctx, tag, number%5*900)
				cancel()
				if err != nil {
					atomic.AddInt64(&cancelled, 1)
				} else if answer != tag {
					atomic.AddInt64(&wrong, 1)
				}
			}
		}()
	}
	group.Wait()
	fmt.Printf(`{"workload": "correct_mux_go", "pid": %d, "operations": %d, "cancelled": %d, `+
		`"cancelled_owed": %d, "wrong": %d, "connections": {}}`+"\n",
		os.Getpid(), *operations, cancelled, cancelled, wrong)
}
