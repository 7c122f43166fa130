package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds one line of input, in bytes: longer ones are answered with an
// error and passed over, so that memory stays flat whatever comes.
const maxLine = 16 << 20

// eachLine answers every line of std.in with one line of JSON, in order. answer's
// error becomes {"error":"…"}; after such a line the result is errQuiet, for exit
// status 1. A last line without an end counts; empty input has no lines.
func eachLine(ctx context.Context, std stdio, answer func(line []byte) (any, error)) error {
	in := bufio.NewReaderSize(std.in, 1<<16)
	out := bufio.NewWriterSize(std.out, 1<<16)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	failed := false
	for {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), out.Flush())
		}
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		var v any
		if err == nil {
			v, err = answer(line)
		} else if !errors.Is(err, errLongLine) {
			return errors.Join(fmt.Errorf("read standard input: %w", err), out.Flush())
		}
		if err != nil {
			failed = true
			v = struct {
				Error string `json:"error"`
			}{err.Error()}
		}
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("write standard output: %w", err)
		}
		// Somebody who asks line by line wants the answer before the next question.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("write standard output: %w", err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	if failed {
		return errQuiet
	}
	return nil
}

var errLongLine = fmt.Errorf("line is longer than %d bytes", maxLine)

// readLine returns the next line without its end. A line over maxLine is read to
// its end and answered with errLongLine.
func readLine(in *bufio.Reader) ([]byte, error) {
	var long []byte
	tooLong := false
	for {
		chunk, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if tooLong = tooLong || len(long)+len(chunk) > maxLine; !tooLong {
				long = append(long, chunk...)
			}
			continue
		case errors.Is(err, io.EOF) && len(chunk) == 0 && long == nil && !tooLong:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		if tooLong || len(long)+len(chunk) > maxLine {
			return nil, errLongLine
		}
		if long != nil {
			chunk = append(long, chunk...)
		}
		return bytes.TrimRight(chunk, "\r\n"), nil
	}
}

// parseObject decodes one line into v, which must be an object. Fields it does not
// know are left alone; what follows the object is an error.
func parseObject(line []byte, v any) error {
	trimmed := bytes.TrimSpace(line)
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("not a JSON object")
	}
	if err := json.Unmarshal(trimmed, v); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) && te.Field != "" {
			return fmt.Errorf("field %q must be a %s", te.Field, te.Type)
		}
		return fmt.Errorf("not a JSON object: %w", err)
	}
	return nil
}
