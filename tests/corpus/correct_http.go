// SPDX-License-Identifier: GPL-2.0-or-later

// net/http with contexts that end: the transport closes the connection of a request that was not
// answered in time, and uses the others again.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type truth struct {
	Workload      string         `json:"workload"`
	Pid           int            `json:"pid"`
	Operations    int64          `json:"operations"`
	Cancelled     int64          `json:"cancelled"`
	CancelledOwed int64          `json:"cancelled_owed"`
	Wrong         int64          `json:"wrong"`
	Connections   map[string]int `json:"connections"`
}

var counts = truth{Workload: "correct_http_go", Pid: os.Getpid(), Connections: map[string]int{}}

func gaveUp() {
	atomic.AddInt64(&counts.Operations, 1)
	atomic.AddInt64(&counts.Cancelled, 1)
	atomic.AddInt64(&counts.CancelledOwed, 1)
}

func get(client *http.Client, port, number int, limit time.Duration) {
	tag := fmt.Sprintf("tag-%d", number)
	url := fmt.Sprintf("http://127.0.0.1:%d/%s?delay=%d", port, tag, number%9)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if number%4 == 0 {
		request, err = http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(tag))
	}
	if err != nil {
		panic(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		gaveUp()
		return
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		gaveUp()
		return
	}
	atomic.AddInt64(&counts.Operations, 1)
	if string(body) != tag {
		atomic.AddInt64(&counts.Wrong, 1)
	}
}

func main() {
	port := flag.Int("port", 0, "of the server")
	operations := flag.Int("operations", 1000, "in all")
	flag.Parse()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var group sync.WaitGroup
	var next int64
	for worker := 0; worker < 8; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				number := int(atomic.AddInt64(&next, 1))
				if number > *operations {
					return
				}
				limit := time.Second
				if number%2 == 0 {
					limit = 4 * time.Millisecond
				}
				get(client, *port, number, limit)
			}
		}()
	}
	group.Wait()
	text, err := json.Marshal(counts)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}
