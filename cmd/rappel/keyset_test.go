package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeysetSealsAndRotates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	if code, _, errOut := command(t, "", "keyset", "create", "--out", path); code != 0 {
		t.Fatalf("create: %s", errOut)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatalf("file mode %v, %v", fi.Mode(), err)
	}
	if code, _, _ := command(t, "", "keyset", "create", "--out", path); code == 0 {
		t.Error("create overwrote an existing keyset")
	}
	old, _, err := loadKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := old.Seal([]byte("refresh token"), "connections/7")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "refresh") {
		t.Error("sealed text is readable")
	}
	if _, err := old.Open(sealed, "connections/8"); err == nil {
		t.Error("opened under another context")
	}
	if code, _, errOut := command(t, "", "keyset", "rotate", path); code != 0 {
		t.Fatalf("rotate: %s", errOut)
	}
	rotated, _, err := loadKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := rotated.Open(sealed, "connections/7"); err != nil || string(plain) != "refresh token" {
		t.Errorf("after rotation: %q, %v", plain, err)
	}
	again, err := rotated.Seal([]byte("x"), "c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Open(again, "c"); err == nil {
		t.Error("the old keyset opens what the new key sealed: the new key is not in use")
	}
}

func TestLoadKeysetSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"/no/such/file", "{}", `{"primaryKeyId":1,"key":[]}`} {
		if _, _, err := loadKeyset(value); err == nil || !strings.Contains(err.Error(), "rappel keyset create") {
			t.Errorf("loadKeyset(%q) = %v, want the remedy", value, err)
		}
	}
}
