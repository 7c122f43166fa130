package smpp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

// certificate makes one that signs itself, and the PEM file by which to trust it.
func certificate(t *testing.T, change func(*x509.Certificate)) (cert tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		DNSNames: []string{"smsc.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// What goes wrong with certificates is told in words one can act upon, and keeps messages
// waiting for the operator instead of failing them.
func TestTLS(t *testing.T) {
	t.Parallel()
	plain := func(*x509.Certificate) {}
	for _, tt := range []struct {
		name    string
		change  func(*x509.Certificate)
		query   func(ca string) string
		noTLS   bool // the gateway speaks none
		want    string
		lasting bool
	}{
		{"authority given", plain, func(ca string) string { return "ca=" + url.QueryEscape(ca) }, false, "", false},
		{"name given", func(c *x509.Certificate) { c.IPAddresses = nil }, func(ca string) string { return "tls_name=smsc.example&ca=" + url.QueryEscape(ca) }, false, "", false},
		{"authority unknown", plain, func(string) string { return "" }, false, "authority this machine doesn't know: give the authority's certificate as ca", true},
		{"wrong name", func(c *x509.Certificate) { c.IPAddresses = nil }, func(ca string) string { return "ca=" + url.QueryEscape(ca) }, false, "is for smsc.example: give that name as tls_name", true},
		{"no names", func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, nil }, func(ca string) string { return "ca=" + url.QueryEscape(ca) }, false, "nobody by name", true},
		{"expired", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(time.Minute) }, func(ca string) string { return "ca=" + url.QueryEscape(ca) }, false, "its operator must renew it", true},
		{"not for servers", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, func(ca string) string { return "ca=" + url.QueryEscape(ca) }, false, "can't be used", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cert, file := certificate(t, tt.change)
			smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeSMSC(t, smsc) })
			r := attach(t, notifytest.NewInbox(), smsc, tt.query(file), newClock())
			if tt.want == "" {
				r.awaitBound(t, 1)
				if _, err := r.carrier.Send(t.Context(), message("verschlüsselt")); err != nil {
					t.Error(err)
				}
				return
			}
			if err := r.carrier.Check(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, notify.ErrMisconfigured) != tt.lasting {
				t.Errorf("check: %v, want %q", err, tt.want)
			}
			_, err = r.carrier.Send(t.Context(), message("x"))
			asSendError(t, err, notify.ErrMisconfigured)
		})
	}
}

func TestTLS_plainPort(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() }) // nothing depends on it any more
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("220 mail.example ready\r\n")) // a server of something else
		_ = conn.Close()
	}()
	cfg, err := ParseURL(&url.URL{Scheme: "smpps", Host: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "doesn't speak TLS at this port") {
		t.Errorf("got %v", err)
	}
}

func TestParseURL_tls(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"smpps://h?ca=/does/not/exist":           "ca: the file can't be read",
		"smpps://h?ca=" + url.QueryEscape(empty): "holds no certificate",
		"smpp://h?ca=/does/not/exist":            "for smpps:// only",
		"smpp://h?tls_name=x":                    "for smpps:// only",
	} {
		if _, err := ParseURL(mustURL(t, query)); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "exist") {
			t.Errorf("%s: got %v, want %q", query, err, want)
		}
	}
}
