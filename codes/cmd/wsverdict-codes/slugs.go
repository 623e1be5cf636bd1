package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"io"
	"maps"
	"slices"
)

// addSlugs adds what the files pass for a parameter named slug, where that is a constant: to
// policy.Close and policy.Reject, and to functions that hand it on.
func addSlugs(slugs map[string]bool, files []*ast.File, info *types.Info) {
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			called := info.TypeOf(call.Fun)
			if called == nil {
				return true
			}
			signature, ok := called.Underlying().(*types.Signature)
			if !ok {
				return true // a conversion, or built in
			}
			for i, arg := range call.Args {
				if i >= signature.Params().Len() || signature.Params().At(i).Name() != "slug" {
					continue
				}
				if v := info.Types[arg].Value; v != nil && v.Kind() == constant.String && constant.StringVal(v) != "" {
					slugs[constant.StringVal(v)] = true
				}
			}
			return true
		})
	}
}

// writeSlugs writes them in order, behind the codes.
func writeSlugs(w io.Writer, slugs map[string]bool) {
	fmt.Fprint(w, "\n/** What the server says has happened: the slugs of its refusals, the library's own among them. */\nexport const slugs = [\n")
	for _, slug := range slices.Sorted(maps.Keys(slugs)) {
		fmt.Fprintf(w, "  %q,\n", slug)
	}
	fmt.Fprint(w, "] as const;\n\nexport type Slug = (typeof slugs)[number];\n")
}
