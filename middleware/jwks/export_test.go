package jwks

var SameScheme = sameScheme
