// SPDX-License-Identifier: GPL-2.0-or-later
// Go's own reverse proxy: reverse_proxy PORT UPSTREAM.
package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	target, err := url.Parse("http://127.0.0.1:" + os.Args[2])
	if err != nil {
		panic(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 1000, 1000
	proxy.Transport = transport
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], proxy))
}
