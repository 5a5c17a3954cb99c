// SPDX-License-Identifier: GPL-2.0-or-later

// go_launcher PORT [CMD...]: what launcher.c does, in Go.
package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "launcher:", err)
		os.Exit(1)
	}
}

func main() {
	answer := make([]byte, 64)
	connection, err := net.Dial("tcp", "127.0.0.1:"+os.Args[1])
	must(err)
	_, err = connection.Write([]byte("PING\r\n"))
	must(err)
	_, err = connection.Read(answer)
	must(err)
	must(connection.Close())
	fmt.Println("ready")
	_, err = os.Stdin.Read(answer[:1])
	must(err)
	if len(os.Args) > 2 {
		must(syscall.Exec(os.Args[2], os.Args[2:], os.Environ()))
	}
}
