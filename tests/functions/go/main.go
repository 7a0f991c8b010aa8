// The example handler in Go. It reads the event as bytes and says what it got.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type handler struct{}

type seen struct {
	Sha256 string `json:"sha256"`
	Length int    `json:"length"`
}

func (handler) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	digest := sha256.Sum256(event)
	got, err := json.Marshal(seen{hex.EncodeToString(digest[:]), len(event)})
	if err != nil {
		return nil, err
	}
	requestID := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		requestID = lc.AwsRequestID
	}
	fmt.Println("handler-called", requestID, string(got))
	var request struct {
		RawPath string `json:"rawPath"`
	}
	if json.Unmarshal(event, &request) == nil && request.RawPath == "/fail" {
		return nil, errors.New("failed on purpose")
	}
	return json.Marshal(map[string]any{
		"statusCode": 200,
		"headers":    map[string]string{"content-type": "application/json"},
		"body":       string(got),
	})
}

func main() {
	lambda.StartHandler(handler{})
}
