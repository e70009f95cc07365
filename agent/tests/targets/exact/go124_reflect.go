//go:build go1.24

package main

// reflectDeleteIsCall: from Go 1.24 on runtime.mapdelete is so short that it is inlined into reflect.mapdelete, so
// deleting by reflection a key that is no string calls no runtime.mapdelete* function.
const reflectDeleteIsCall = false
