package main

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// sealer seals what must not be read from a stolen database: OAuth tokens and
// calendar texts. It implements calendars.Sealer with Tink AEAD (AES-256-GCM).
type sealer struct{ primitive tink.AEAD }

// Seal encrypts plain; the same context is needed to open it again.
func (s sealer) Seal(plain []byte, context string) ([]byte, error) {
	return s.primitive.Encrypt(plain, []byte(context))
}

// Open decrypts what Seal made with any key of the keyset.
func (s sealer) Open(sealed []byte, context string) ([]byte, error) {
	return s.primitive.Decrypt(sealed, []byte(context))
}

// loadKeyset reads RAPPEL_KEYSET: the JSON itself, or the path of a file with it.
// The second result is key material for keyed hashes, derived from the keyset.
func loadKeyset(value string) (sealer, []byte, error) {
	data := []byte(value)
	if !strings.HasPrefix(strings.TrimSpace(value), "{") {
		var err error
		if data, err = os.ReadFile(value); err != nil {
			return sealer{}, nil, fmt.Errorf("RAPPEL_KEYSET: neither JSON nor a readable file; make one with 'rappel keyset create': %w", err)
		}
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data)))
	if err != nil {
		return sealer{}, nil, errors.New("RAPPEL_KEYSET is not a Tink keyset in JSON; make one with 'rappel keyset create'")
	}
	primitive, err := aead.New(h)
	if err != nil {
		return sealer{}, nil, fmt.Errorf("RAPPEL_KEYSET holds no AEAD key; make one with 'rappel keyset create': %w", err)
	}
	secret, err := hkdf.Key(sha256.New, bytes.TrimSpace(data), nil, "rappel keyed hashes", 32)
	if err != nil {
		return sealer{}, nil, fmt.Errorf("derive hash key: %w", err)
	}
	return sealer{primitive}, secret, nil
}

type keysetCmd struct {
	Create keysetCreateCmd `cmd:"" help:"Make a new keyset."`
	Rotate keysetRotateCmd `cmd:"" help:"Add a new key that seals from now on; the old ones still open what they sealed."`
}

type keysetCreateCmd struct {
	Out string `placeholder:"FILE" help:"File to write, mode 0600; must not exist. Default: standard output."`
}

func (c keysetCreateCmd) Run(std stdio) error {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	data, err := keysetJSON(h)
	if err != nil {
		return err
	}
	if c.Out == "" {
		_, err := std.out.Write(data)
		return err
	}
	return writeSecret(c.Out, data)
}

type keysetRotateCmd struct {
	File string `arg:"" help:"Keyset file to change. All processes must be restarted with it."`
}

func (c keysetRotateCmd) Run() error {
	data, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data)))
	if err != nil {
		return fmt.Errorf("%s is not a Tink keyset in JSON: %w", c.File, err)
	}
	m := keyset.NewManagerFromHandle(h)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	if err := m.SetPrimary(id); err != nil {
		return err
	}
	if h, err = m.Handle(); err != nil {
		return err
	}
	if data, err = keysetJSON(h); err != nil {
		return err
	}
	// Write beside and rename: a crash leaves the old keyset or the new, never half.
	tmp := c.File + ".new"
	if err := writeSecret(tmp, data); err != nil {
		return err
	}
	return os.Rename(tmp, c.File)
}

func keysetJSON(h *keyset.Handle) ([]byte, error) {
	var buf bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&buf)); err != nil {
		return nil, err
	}
	return append(bytes.TrimSpace(buf.Bytes()), '\n'), nil
}

// writeSecret creates path, which must not exist, readable by its owner alone.
func writeSecret(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// devKeyset returns the keyset file in dir, made on first use.
func devKeyset(dir string) (string, error) {
	path := filepath.Join(dir, "keyset.json")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := (keysetCreateCmd{Out: tmp}).Run(stdio{}); err != nil {
		return "", err
	}
	return path, os.Rename(tmp, path)
}
