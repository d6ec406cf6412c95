package haproxy_test

import (
	"testing"

	"github.com/certform/certform/sinks/haproxy"
	"github.com/certform/certform/sinks/sinktest"
)

func TestKind(t *testing.T) { sinktest.RunKind(t, haproxy.Kind()) }
