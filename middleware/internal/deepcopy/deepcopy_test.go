package deepcopy_test

import (
	"encoding/json"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware/internal/deepcopy"
)

type room struct {
	Name string
	Tags map[string][]string
	Next *room
}

type claims struct {
	Role   string
	Scopes []string
	Rooms  []*room
	Extra  map[string]any
	Any    any
	Raw    json.RawMessage
	Pair   [2][]int
	Since  time.Time
	hidden int
	jwt.RegisteredClaims
}

func full() *claims {
	c := &claims{hidden: 7}
	if err := json.Unmarshal([]byte(`{
		"Role": "admin", "Scopes": ["a", "b"], "Since": "2026-01-02T03:04:05Z",
		"Rooms": [{"Name": "lobby", "Tags": {"x": ["y"]}, "Next": {"Name": "cellar"}}, null],
		"Extra": {"list": [1, {"deep": ["er"]}], "null": null}, "Any": [{"a": "b"}], "Raw": {"z": 1}, "Pair": [[1], [2]],
		"iss": "i", "sub": "s", "aud": ["x", "y"], "exp": 1, "nbf": 2, "iat": 3, "jti": "j"}`), c); err != nil {
		panic(err)
	}
	return c
}

// Whatever can be reached from a copy and changed, is changed, and the original stays what it was.
func TestNothingIsShared(t *testing.T) {
	copies, err := deepcopy.Of[claims]()
	if err != nil {
		t.Fatal(err)
	}
	original := full()
	c, err := copies(original)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, original) {
		t.Fatalf("got %+v, want %+v", c, original)
	}
	spoil(reflect.ValueOf(c).Elem())
	if !reflect.DeepEqual(original, full()) {
		t.Errorf("the original became %+v", original)
	}
}

// spoil overwrites all that v leads to.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Interface:
		if e := v.Elem(); e.IsValid() && (e.Kind() == reflect.Slice || e.Kind() == reflect.Map) {
			spoil(e)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				spoil(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			e := v.MapIndex(key)
			if e.Kind() == reflect.Interface || e.Kind() == reflect.Slice {
				spoil(e)
			}
			v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
		}
		return
	}
	if v.CanSet() {
		v.SetZero()
	}
}

type cloning struct{ m map[string]int }

func (c cloning) Clone() cloning { return cloning{map[string]int{"cloned": len(c.m)}} }

func TestClone(t *testing.T) {
	copies, err := deepcopy.Of[cloning]()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := copies(&cloning{}); err != nil || len(c.m) != 1 {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestWhatCannotBeCopied(t *testing.T) {
	type tree struct{ Left, Right *tree }
	type embedded struct{ Scopes []string }
	for name, err := range map[string]error{
		"unexported reference": ofErr[struct{ m map[string]int }](),
		"another package's":    ofErr[struct{ N *big.Int }](),
		"channel":              ofErr[struct{ C []chan int }](),
		"function":             ofErr[map[string]func()](),
		"keys":                 ofErr[map[any]int](),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, err := range map[string]error{
		"recursive":           ofErr[tree](),
		"registered":          ofErr[jwt.RegisteredClaims](),
		"map claims":          ofErr[jwt.MapClaims](),
		"unexported embedded": ofErr[struct{ embedded }](),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	copies, _ := deepcopy.Of[struct{ A any }]()
	if _, err := copies(&struct{ A any }{make(chan int)}); err == nil {
		t.Error("a channel in an interface")
	}
	inside, _ := deepcopy.Of[struct{ embedded }]()
	original := struct{ embedded }{embedded{[]string{"a"}}}
	if c, err := inside(&original); err != nil {
		t.Error(err)
	} else if c.Scopes[0] = "b"; original.Scopes[0] != "a" {
		t.Error("the promoted field of an unexported embedded struct is shared")
	}
}

func ofErr[T any]() error { _, err := deepcopy.Of[T](); return err }

func BenchmarkRegistered(b *testing.B) {
	type app struct {
		Role string
		jwt.RegisteredClaims
	}
	copies, _ := deepcopy.Of[app]()
	c := app{RegisteredClaims: full().RegisteredClaims}
	b.ReportAllocs()
	for b.Loop() {
		copies(&c)
	}
}
