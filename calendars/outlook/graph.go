package outlook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	absauth "github.com/microsoft/kiota-abstractions-go/authentication"
	khttp "github.com/microsoft/kiota-http-go"
	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"rappel/calendars"
)

// maxErrorBody bounds what is read of an answer that is an error.
const maxErrorBody = 64 << 10

// Prefer headers. The first goes with every request.
const (
	preferImmutable = `IdType="ImmutableId"`
	preferText      = `outlook.body-content-type="text"`
	preferPage      = `odata.maxpagesize=200`
)

// headers makes the headers of a request; links do not remember them.
func headers(prefer ...string) *abstractions.RequestHeaders {
	h := abstractions.NewRequestHeaders()
	h.Add("Prefer", preferImmutable)
	for _, p := range prefer {
		h.Add("Prefer", p)
	}
	return h
}

// register makes the SDK fill its package-level tables of parsers. It does so
// without a lock whenever a service client is made, so that happens once and
// before any reading.
var register = sync.OnceFunc(func() {
	adapter, err := msgraph.NewGraphRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&absauth.AnonymousAuthenticationProvider{}, nil, nil, &http.Client{})
	if err != nil { // only for a missing provider
		panic(err)
	}
	msgraph.NewGraphServiceClient(adapter)
})

// me makes the SDK's builder for /me for one operation with one client.
func (r *Reader) me(client *http.Client, cursor bool) (*users.UserItemRequestBuilder, error) {
	transport := &transport{inner: calendars.Guarded(client, r.base), cursor: cursor, now: r.now}
	adapter, err := msgraph.NewGraphRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&absauth.AnonymousAuthenticationProvider{}, nil, nil, &http.Client{
			Transport: khttp.NewCustomTransportWithParentTransport(transport,
				khttp.NewUrlReplaceHandler(true, core.ReplacementPairs), // /users/me-token-to-replace is /me
				khttp.NewParametersNameDecodingHandler()),
			CheckRedirect: transport.inner.CheckRedirect,
		})
	if err != nil {
		return nil, fmt.Errorf("request adapter: %w", err)
	}
	adapter.SetBaseUrl(r.base)
	return users.NewUserItemRequestBuilderInternal(map[string]string{"user%2Did": "me-token-to-replace"}, adapter), nil
}

// transport sends the requests of one operation with the client of the
// connection, kept on the host of Graph. It turns every answer that is not 2xx
// into a *calendars.Error, which a RoundTripper is not meant to do; the SDK behind
// it leaves no better place (see the package's decisions).
type transport struct {
	inner  *http.Client
	cursor bool
	now    func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.inner.Do(req) //nolint:bodyclose // closed below or by the SDK
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		_ = resp.Body.Close() // the answer is known
		if err != nil {
			body = nil // a torn error body leaves the status
		}
		return nil, answer(resp.StatusCode, resp.Header, body, t.cursor, t.now())
	}
	return resp, nil
}

// guarded runs an operation. A panic of the SDK's over odd JSON becomes an
// ordinary failure; what it panicked with may hold a patient's data and is not
// kept.
func guarded[T any](ctx context.Context, op string, run func(context.Context) (T, error)) (out T, err error) {
	defer func() {
		if recover() != nil {
			var zero T
			out, err = zero, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrUnavailable, Code: "odd_reply"}
		}
	}()
	out, err = run(ctx)
	if err != nil {
		var zero T
		return zero, failure(op, err)
	}
	return out, nil
}

// errNoList is a 2xx that is no answer to the question: empty, or JSON without
// the list, which the SDK reads as a list without items. Taken for one, it would
// make every appointment of a calendar disappear.
var errNoList = errors.New("the reply holds no list")
