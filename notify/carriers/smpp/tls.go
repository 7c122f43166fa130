package smpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"rappel/notify"
)

// trust has the gateway's certificate be signed by an authority in the PEM file ca, if
// given, and be for the name, if given, in place of the host's. Errors are ErrConfig.
func (c *Config) trust(ca, name string) error {
	if !c.TLS {
		return fmt.Errorf("%w: ca and tls_name are for smpps:// only", ErrConfig)
	}
	c.TLSConfig = &tls.Config{ServerName: name}
	if ca == "" {
		return nil
	}
	// The file's name isn't quoted: after a slip of the pen it may be anything.
	pem, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("%w: ca: the file can't be read", ErrConfig)
	}
	c.TLSConfig.RootCAs = x509.NewCertPool()
	if !c.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%w: ca: the file holds no certificate in PEM form", ErrConfig)
	}
	return nil
}

func (c *Carrier) dial(ctx context.Context) (net.Conn, error) {
	if !c.cfg.TLS {
		return new(net.Dialer).DialContext(ctx, "tcp", c.cfg.Address)
	}
	return (&tls.Dialer{Config: c.tls}).DialContext(ctx, "tcp", c.cfg.Address)
}

// tlsError is a failure of TLS that lasts until a person acts, in words for that person.
type tlsError struct {
	advice string
	err    error
}

func (e *tlsError) Error() string   { return e.advice }
func (e *tlsError) Unwrap() []error { return []error{notify.ErrMisconfigured, e.err} }

// worded puts what goes wrong with certificates into words. Any other error it returns
// as it is.
func worded(err error) error {
	advice := ""
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		alert    tls.AlertError
	)
	switch {
	case errors.As(err, &hostname):
		advice = "the gateway's certificate is for " + names(hostname.Certificate) + ": give that name as tls_name, or the host it is for"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		advice = fmt.Sprintf("the gateway's certificate is valid from %s to %s: its operator must renew it, or this machine's clock is wrong",
			day(invalid.Cert.NotBefore), day(invalid.Cert.NotAfter))
	case errors.As(err, &unknown):
		advice = "the gateway's certificate is signed by an authority this machine doesn't know: give the authority's certificate as ca"
	case errors.As(err, &invalid):
		advice = "the gateway's certificate can't be used: " + strings.TrimPrefix(invalid.Error(), "x509: ")
	case errors.As(err, &record):
		advice = "the gateway doesn't speak TLS at this port: use smpp://, or the port for TLS"
	case errors.As(err, &alert):
		advice = "the gateway refused the TLS connection: " + strings.TrimPrefix(alert.Error(), "tls: ")
	default:
		return err
	}
	return &tlsError{advice, err}
}

// names lists whom a certificate is for.
func names(cert *x509.Certificate) string {
	all := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "nobody by name"
	}
	return strings.Join(all, ", ")
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
