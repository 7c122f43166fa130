package standin

import "fmt"

// mask is a parsed `fields` parameter, such as nextPageToken,items(id,start/date).
// A nil mask keeps everything; so does the leaf of a path.
type mask map[string]mask

// parseMask reads Google's partial-response syntax: a comma-separated list of
// paths, where a/b and a(b,c) go into a and * stands for every name.
func parseMask(text string) (mask, error) {
	if text == "" {
		return nil, nil
	}
	p := maskParser{text: text}
	m, err := p.list(0)
	if err == nil && p.pos != len(text) {
		err = p.wrong()
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// maxMaskDepth ends the recursion on nonsense such as a thousand brackets.
const maxMaskDepth = 20

type maskParser struct {
	text string
	pos  int
}

func (p *maskParser) wrong() error {
	return fmt.Errorf("%w: field selection at %d", ErrInvalid, p.pos)
}

func (p *maskParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *maskParser) list(depth int) (mask, error) {
	if depth > maxMaskDepth {
		return nil, p.wrong()
	}
	m := mask{}
	for {
		name, sub, err := p.path(depth)
		if err != nil {
			return nil, err
		}
		m.merge(name, sub)
		if p.peek() != ',' {
			return m, nil
		}
		p.pos++
	}
}

// path reads name, name/rest or name(list); sub is nil for a leaf.
func (p *maskParser) path(depth int) (name string, sub mask, err error) {
	start := p.pos
	for c := p.peek(); c == '*' || c == '@' || c == '.' || c == '_' || c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'; c = p.peek() {
		p.pos++
	}
	name = p.text[start:p.pos]
	if name == "" || depth > maxMaskDepth {
		return "", nil, p.wrong()
	}
	switch p.peek() {
	case '/':
		p.pos++
		inner, rest, err := p.path(depth + 1)
		if err != nil {
			return "", nil, err
		}
		return name, mask{inner: rest}, nil
	case '(':
		p.pos++
		if sub, err = p.list(depth + 1); err != nil {
			return "", nil, err
		}
		if p.peek() != ')' {
			return "", nil, p.wrong()
		}
		p.pos++
	}
	return name, sub, nil
}

// merge adds a path; a leaf beside a longer path keeps everything.
func (m mask) merge(name string, sub mask) {
	old, seen := m[name]
	if !seen || old == nil || sub == nil {
		if seen {
			sub = nil
		}
		m[name] = sub
		return
	}
	for key, value := range sub {
		old.merge(key, value)
	}
}

// apply cuts v to the mask.
func (m mask) apply(v any) any {
	if m == nil {
		return v
	}
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range x {
			if sub, ok := m[key]; ok {
				out[key] = sub.apply(value)
			} else if sub, ok := m["*"]; ok {
				out[key] = sub.apply(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = m.apply(x[i])
		}
		return out
	}
	return v
}
