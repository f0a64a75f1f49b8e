// Package emit prints settings in the form that other systems take them in: a
// container and a pod have network namespaces of their own, which start with
// the kernel's defaults, so what is set on the host does not reach them.
//
// It knows the formats and their rules of quoting. It refuses to know where
// the values come from.
package emit
