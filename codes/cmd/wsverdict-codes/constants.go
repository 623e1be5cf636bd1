package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsverdict/wsverdict/codes"
)

const (
	libraryPath = "github.com/wsverdict/wsverdict/"
	codesPath   = libraryPath + "codes"
)

// A listed package is what the go command says of one.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, CgoFiles       []string
	ImportMap               map[string]string
	DepOnly                 bool
}

// list asks the go command for the packages and, for what they import, the compiler's export data.
func list(patterns []string) ([]listed, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,CgoFiles,ImportMap,DepOnly", "--"}, patterns...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

// A program is what its packages send: codes of their own, and slugs.
type program struct {
	own   []codes.Entry
	slugs map[string]bool
}

// read looks at the constants of type codes.Code that the packages declare, and at the slugs of their
// verdicts and of this library's packages that they import.
func read(patterns []string) (program, error) {
	all, err := list(patterns)
	if err != nil {
		return program{}, err
	}
	exports := make(map[string]string, len(all))
	for _, p := range all {
		exports[p.ImportPath] = p.Export
	}
	prog := program{slugs: map[string]bool{}}
	for _, p := range all {
		if p.DepOnly && !strings.HasPrefix(p.ImportPath+"/", libraryPath) {
			continue
		}
		files, info, err := check(p, exports)
		if err != nil {
			return program{}, err
		}
		addSlugs(prog.slugs, files, info)
		if !p.DepOnly && p.ImportPath != codesPath {
			prog.own = append(prog.own, constants(files, info)...)
		}
	}
	return prog, nil
}

// check parses a package and finds the types in it.
func check(p listed, exports map[string]string) ([]*ast.File, *types.Info, error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, f)
	}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{
		FakeImportC: true,
		Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
			if mapped, ok := p.ImportMap[path]; ok {
				path = mapped
			}
			return os.Open(exports[path])
		}),
	}
	_, err := config.Check(p.ImportPath, fset, files, info)
	return files, info, err
}

// constants returns those of type codes.Code.
func constants(files []*ast.File, info *types.Info) (own []codes.Entry) {
	for _, f := range files {
		for _, decl := range f.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				spec := spec.(*ast.ValueSpec)
				for _, name := range spec.Names {
					if code, ok := codeOf(info.Defs[name]); ok && name.Name != "_" && !known(code) {
						own = append(own, codes.Entry{Code: code, Name: name.Name, Text: text(group, spec)})
					}
				}
			}
		}
	}
	return own
}

// codeOf returns the value of a constant of type codes.Code.
func codeOf(object types.Object) (codes.Code, bool) {
	c, ok := object.(*types.Const)
	if !ok {
		return 0, false
	}
	named, ok := types.Unalias(c.Type()).(*types.Named)
	if !ok || named.Obj().Name() != "Code" || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != codesPath {
		return 0, false
	}
	value, ok := constant.Uint64Val(c.Val())
	return codes.Code(value), ok
}

// known reports whether the catalog has the code.
func known(code codes.Code) bool {
	return slices.ContainsFunc(codes.Catalog(), func(e codes.Entry) bool { return e.Code == code })
}

// text is a constant's comment: the one above it, the one behind it, or that of a declaration of its
// own.
func text(group *ast.GenDecl, spec *ast.ValueSpec) string {
	for _, comment := range []*ast.CommentGroup{spec.Doc, spec.Comment} {
		if comment != nil {
			return strings.TrimSpace(comment.Text())
		}
	}
	if !group.Lparen.IsValid() && group.Doc != nil {
		return strings.TrimSpace(group.Doc.Text())
	}
	return ""
}
