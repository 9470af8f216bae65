package main

import (
	"io"
	"net"
	"net/http"
	"sync"
)

// A delivery is a request of the server to the app.
type delivery struct {
	method string
	url    string
	header http.Header
	body   string
}

// A receiver is the app that tasks are pushed to.
type receiver struct {
	port       int
	lock       sync.Mutex
	deliveries []delivery
	failures   map[string]int
}

func startReceiver() *receiver {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	r := &receiver{port: listener.Addr().(*net.TCPAddr).Port, failures: map[string]int{}}
	go http.Serve(listener, r)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.lock.Lock()
	defer r.lock.Unlock()
	found := delivery{request.Method, request.URL.String(), request.Header, string(body)}
	r.deliveries = append(r.deliveries, found)
	if name := found.header.Get("X-AppEngine-TaskName"); r.failures[name] > 0 {
		r.failures[name]--
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// fail has the next attempts of a task answered with 503.
func (r *receiver) fail(name string, times int) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.failures[name] = times
}

// of answers what came of a task so far.
func (r *receiver) of(name string) (found []delivery) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, one := range r.deliveries {
		if one.header.Get("X-AppEngine-TaskName") == name {
			found = append(found, one)
		}
	}
	return found
}

// wait waits until a task was delivered so often.
func (r *receiver) wait(name string, count int) []delivery {
	eventually("delivery of "+name, func() bool { return len(r.of(name)) >= count })
	return r.of(name)
}
