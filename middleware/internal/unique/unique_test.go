package unique_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/middleware/internal/unique"
)

var (
	texts      = []string{"sub", "exp"}
	registered = unique.Names(texts...)
)

var cases = []struct {
	data string
	want error
}{
	{`{}`, nil},
	{` { "sub" : "alice" , "exp" : 1 } `, nil},
	{`{"sub":"a","role":{"sub":1,"SUB":2,"x":["}",{"sub":"]"}]},"exp":-1.5e3,"ok":true}`, nil},
	{`{"a":"sub\":\"x","b":"\\"}`, nil},
	{`{"https:\/\/example.com\/roles":[],"https:\/\/example.com\/rooms":[]}`, nil},
	{`{"":1}`, nil},
	{`{"sub":1,"sub":1}`, unique.ErrDuplicate},
	{`{"role":1,"Role":1}`, unique.ErrDuplicate},
	{`{"role":1,"x":{},"ro\u006ce":1}`, unique.ErrDuplicate},
	{`{"":1,"":1}`, unique.ErrDuplicate},
	{`{"größe":1,"GRÖSSE":1}`, nil}, // ß is no SS in simple folding
	{`{"größe":1,"GRÖßE":1}`, unique.ErrDuplicate},
	{`{"mask":1,"maſk":1}`, unique.ErrDuplicate},
	{`{"mask":1,"mas` + "\u212a" + `":1}`, unique.ErrDuplicate},
	{`{"a` + "\xff" + `":1,"a` + "\xfe" + `":1}`, unique.ErrDuplicate}, // both are a\ufffd to encoding/json
	{`{"SUB":1}`, unique.ErrVariant},
	{`{"sub":1,"Exp":1}`, unique.ErrVariant},
	{`{"ſub":1}`, unique.ErrVariant},
	{`{"\u0053ub":1}`, unique.ErrVariant},
	{`{"subs":1,"su":2}`, nil},
	{`null`, unique.ErrNoObject},
	{`[]`, unique.ErrNoObject},
	{`"x"`, unique.ErrNoObject},
	{``, unique.ErrNoObject},
	{`{"a":1}{"sub":2}`, unique.ErrNoObject},
	{`{"a":1} x`, unique.ErrNoObject},
	{many(unique.MaxNames), nil},
	{many(unique.MaxNames + 1), unique.ErrTooMany},
}

func many(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(`"n%d":0`, i))
	}
	return "{" + strings.Join(names, ",") + "}"
}

func TestCheck(t *testing.T) {
	for _, tc := range cases {
		if err := unique.Check([]byte(tc.data), registered); !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
			t.Errorf("%.60s: %v, want %v", tc.data, err, tc.want)
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	data := []byte(`{"iss":"https://id.example.com","sub":"alice","aud":["chat"],"exp":1700000000,"role":"admin"}`)
	if n := testing.AllocsPerRun(100, func() {
		if err := unique.Check(data, registered); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// For all that is JSON, the answer is the one that encoding/json's own reading of the names gives.
func FuzzCheck(f *testing.F) {
	for _, tc := range cases {
		f.Add([]byte(tc.data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := unique.Check(data, registered)
		if !json.Valid(data) {
			return // no panic is all that is asked
		}
		if want := reference(data); !errors.Is(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%q: %v, want %v", data, got, want)
		}
	})
}

func reference(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if first, _ := d.Token(); first != json.Delim('{') {
		return unique.ErrNoObject
	}
	var names []string
	for d.More() {
		token, _ := d.Token()
		name := token.(string)
		for _, e := range texts {
			if name != e && strings.EqualFold(name, e) {
				return unique.ErrVariant
			}
		}
		for _, other := range names {
			if strings.EqualFold(name, other) {
				return unique.ErrDuplicate
			}
		}
		if names = append(names, name); len(names) > unique.MaxNames {
			return unique.ErrTooMany
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkCheck(b *testing.B) {
	data := []byte(`{"iss":"https://id.example.com","sub":"alice","aud":["chat"],"exp":1700000000,"role":"admin"}`)
	exact := unique.Names("iss", "sub", "aud", "exp", "nbf", "iat", "jti")
	b.ReportAllocs()
	for b.Loop() {
		unique.Check(data, exact)
	}
}
