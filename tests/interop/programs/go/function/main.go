// The function that every language has here, for aws-lambda-go: it does what its event says.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type asked struct{}

func (*asked) Error() string { return "as asked" }

func tell(ctx context.Context) any {
	about, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"id":    about.AwsRequestID,
		"arn":   about.InvokedFunctionArn,
		"left":  time.Until(deadline).Milliseconds(),
		"trace": os.Getenv("_X_AMZN_TRACE_ID"),
	}
}

// A reader that can't be mistaken for something to write as JSON.
type reader func([]byte) (int, error)

func (read reader) Read(into []byte) (int, error) { return read(into) }

// The first half, and the second when the test has opened the gate, a FIFO.
func halves(gate string, fail bool) io.Reader {
	second := func(into []byte) (int, error) {
		if _, err := os.ReadFile(gate); err != nil {
			return 0, err
		}
		if fail {
			return 0, &asked{}
		}
		return copy(into, "second"), io.EOF
	}
	return reader(io.MultiReader(strings.NewReader("first, "), reader(second)).Read)
}

func meet(ctx context.Context, gate string) (any, error) {
	about, _ := lambdacontext.FromContext(ctx)
	read, err := os.ReadFile(gate)
	return map[string]any{"id": about.AwsRequestID, "read": string(read)}, err
}

func handler(ctx context.Context, event map[string]any) (any, error) {
	log.Printf("to do: %s", event["do"])
	switch event["do"] {
	case "echo":
		return event, nil
	case "tell":
		return tell(ctx), nil
	case "meet":
		return meet(ctx, event["gate"].(string))
	case "fail":
		return nil, &asked{}
	case "panic":
		panic("as asked")
	case "crash":
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Hour)
	case "grow":
		return strings.Repeat("x", int(event["size"].(float64))), nil
	case "stream":
		return halves(event["gate"].(string), event["fail"].(bool)), nil
	}
	return nil, errors.ErrUnsupported
}

func leave() {
	log.Print("asked to end")
	os.Exit(0)
}

func main() {
	log.SetFlags(0)
	if os.Getenv("FAIL_INIT") != "" {
		log.Fatal("no init today")
	}
	lambda.StartWithOptions(handler, lambda.WithEnableSIGTERM(leave))
}
