// Package deepcopy copies values so that the copy shares nothing with the original that anybody
// could change.
package deepcopy

import (
	"fmt"
	"reflect"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Of returns a function that copies a T: with everything that its pointers, slices and maps lead
// to, and what interfaces hold. A T that has a method Clone() T is copied by that. The error says
// what in T cannot be copied: references in unexported fields of other packages' and its own types,
// channels, functions.
//
// The function's error says that an interface holds what cannot be copied. It is safe for
// concurrent use, as far as the original is not changed.
func Of[T any]() (func(*T) (*T, error), error) {
	if _, ok := any(*new(T)).(interface{ Clone() T }); ok {
		return func(t *T) (*T, error) {
			c := any(*t).(interface{ Clone() T }).Clone()
			return &c, nil
		}, nil
	}
	typ := reflect.TypeFor[T]()
	if err := check(typ, typ.String(), map[reflect.Type]bool{}); err != nil {
		return nil, err
	}
	if flat(typ, map[reflect.Type]bool{}) {
		return func(t *T) (*T, error) { c := *t; return &c, nil }, nil
	}
	return func(t *T) (*T, error) {
		c := &struct { // one allocation
			value T
			dates dates
		}{value: *t}
		return &c.value, own(reflect.ValueOf(&c.value).Elem(), &c.dates)
	}, nil
}

var (
	timeType       = reflect.TypeFor[time.Time]()
	registeredType = reflect.TypeFor[jwt.RegisteredClaims]()
)

// check finds what own cannot copy.
func check(t reflect.Type, path string, seen map[reflect.Type]bool) error {
	if t == timeType || seen[t] {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return check(t.Elem(), path, seen)
	case reflect.Map:
		if !flat(t.Key(), map[reflect.Type]bool{}) {
			return fmt.Errorf("%s: a map whose keys have references", path)
		}
		return check(t.Elem(), path, seen)
	case reflect.Struct:
		for f := range fields(t) {
			if !f.IsExported() && !flat(f.Type, map[reflect.Type]bool{}) {
				if !f.Anonymous || f.Type.Kind() != reflect.Struct {
					return fmt.Errorf("%s.%s: a reference in an unexported field", path, f.Name)
				}
			}
			if err := check(f.Type, path+"."+f.Name, seen); err != nil {
				return err
			}
		}
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return fmt.Errorf("%s: a %s cannot be copied", path, t.Kind())
	}
	return nil
}

func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// flat reports whether assigning a value copies all of it.
func flat(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == timeType || seen[t] { // a recursive type goes through a pointer, which is not flat
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Struct:
		for f := range fields(t) {
			if !flat(f.Type, seen) {
				return false
			}
		}
	case reflect.Array:
		return flat(t.Elem(), seen)
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return false
	}
	return true
}

// own gives v, which can be set, references of its own. room is for the dates of claims, nil if
// there is none.
func own(v reflect.Value, room *dates) error {
	t := v.Type()
	switch {
	case t == timeType:
		return nil
	case t == registeredType:
		if room == nil || room.taken {
			room = new(dates)
		}
		ownRegistered(v.Addr().Interface().(*jwt.RegisteredClaims), room)
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() || t.Field(i).Anonymous && f.Kind() == reflect.Struct {
				if err := own(f, room); err != nil {
					return err
				}
			}
		}
	case reflect.Array:
		return ownAll(v)
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		c := reflect.MakeSlice(t, v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		return ownAll(v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		c := reflect.New(t.Elem())
		c.Elem().Set(v.Elem())
		v.Set(c)
		return own(c.Elem(), nil)
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		c := reflect.MakeMapWithSize(t, v.Len())
		for entry := v.MapRange(); entry.Next(); {
			e := reflect.New(t.Elem()).Elem()
			e.Set(entry.Value())
			if err := own(e, nil); err != nil {
				return err
			}
			c.SetMapIndex(entry.Key(), e)
		}
		v.Set(c)
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		held := v.Elem()
		if err := check(held.Type(), held.Type().String(), map[reflect.Type]bool{}); err != nil {
			return err
		}
		c := reflect.New(held.Type()).Elem()
		c.Set(held)
		if err := own(c, nil); err != nil {
			return err
		}
		v.Set(c)
	}
	return nil
}

func ownAll(v reflect.Value) error {
	if flat(v.Type().Elem(), map[reflect.Type]bool{}) {
		return nil
	}
	for i := range v.Len() {
		if err := own(v.Index(i), nil); err != nil {
			return err
		}
	}
	return nil
}

// dates are those of one jwt.RegisteredClaims.
type dates struct {
	of    [3]jwt.NumericDate
	taken bool
}

// ownRegistered is own for what all claims have in them, with fewer allocations.
func ownRegistered(c *jwt.RegisteredClaims, room *dates) {
	room.taken = true
	for i, date := range []**jwt.NumericDate{&c.ExpiresAt, &c.NotBefore, &c.IssuedAt} {
		if *date != nil {
			room.of[i] = **date
			*date = &room.of[i]
		}
	}
	if c.Audience != nil {
		c.Audience = append(make(jwt.ClaimStrings, 0, len(c.Audience)), c.Audience...)
	}
}
