// An extension of Go's own HTTP: prints each event, and all telemetry that it is sent.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

var api = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API")

// One request as the extension; the answer's body is read into the last argument.
func call(method, path string, headers map[string]string, body, into any) http.Header {
	told, err := json.Marshal(body)
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest(method, api+path, bytes.NewReader(told))
	if err != nil {
		log.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		log.Fatal(path, answer.Status, string(text), err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		log.Fatal(err)
	}
	return answer.Header
}

func listen(_ http.ResponseWriter, request *http.Request) {
	var batch []struct {
		Type   string
		Record json.RawMessage
	}
	if err := json.NewDecoder(request.Body).Decode(&batch); err != nil {
		log.Fatal(err)
	}
	for _, one := range batch {
		fmt.Println(one.Type, string(one.Record))
	}
}

func main() {
	var ignored any
	events := map[string]any{"events": []string{"INVOKE", "SHUTDOWN"}}
	headers := call("POST", "/2020-01-01/extension/register",
		map[string]string{"Lambda-Extension-Name": "go-extension"}, events, &ignored)
	me := map[string]string{"Lambda-Extension-Identifier": headers.Get("Lambda-Extension-Identifier")}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	go http.Serve(listener, http.HandlerFunc(listen))
	call("PUT", "/2022-07-01/telemetry", me, map[string]any{
		"schemaVersion": "2022-12-13",
		"types":         []string{"platform", "function"},
		"buffering":     map[string]int{"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
		"destination": map[string]string{
			"protocol": "HTTP", "URI": fmt.Sprintf("http://sandbox.localdomain:%d", port),
		},
	}, &ignored)

	for {
		var event struct{ EventType, RequestID, ShutdownReason string }
		call("GET", "/2020-01-01/extension/event/next", me, nil, &event)
		fmt.Println(event.EventType, event.RequestID+event.ShutdownReason)
		if event.EventType == "SHUTDOWN" {
			return
		}
		if os.Getenv("FAIL") == event.EventType {
			os.Exit(7)
		}
	}
}
