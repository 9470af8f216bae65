// Command appengine-proof runs the unmodified App Engine SDK for Go against a server.
//
// It says on stdout the port at which tasks are to arrive, as {"receiver": PORT}; reads from stdin
// the server that was told so, as {"server": URL}; then tells of every case
// {"case": NAME, "error": TEXT}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"
)

// A proof is a case: its name, and what it does. It panics when it finds something wrong.
type proof struct {
	name string
	run  func()
}

func main() {
	receiver := startReceiver()
	say(map[string]any{"receiver": receiver.port})
	var told struct{ Server string }
	line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
	check(err)
	check(json.Unmarshal(line, &told))
	server, err := url.Parse(told.Server)
	check(err)
	// All that the SDK needs to know.
	os.Setenv("API_HOST", server.Hostname())
	os.Setenv("API_PORT", server.Port())
	os.Setenv("GAE_APPLICATION", "s~my-project")

	proofs := append(pushProofs(receiver), pullProofs()...)
	proofs = append(proofs, transactionProofs()...)
	for _, proof := range proofs {
		say(map[string]any{"case": proof.name, "error": failure(proof.run)})
	}
}

// failure runs a case; it answers what it panicked with, or nil.
func failure(run func()) (problem any) {
	defer func() {
		if found := recover(); found != nil {
			problem = fmt.Sprint(found)
		}
	}()
	run()
	return nil
}

func say(line map[string]any) {
	text, err := json.Marshal(line)
	check(err)
	fmt.Println(string(text))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// expect panics with what is told unless it holds.
func expect(holds bool, format string, values ...any) {
	if !holds {
		panic(fmt.Sprintf(format, values...))
	}
}

// eventually asks again until the answer is true, for what the server does in its own time.
func eventually(what string, answer func() bool) {
	for end := time.Now().Add(10 * time.Second); !answer(); time.Sleep(10 * time.Millisecond) {
		expect(time.Now().Before(end), "it did not happen in time: %s", what)
	}
}
