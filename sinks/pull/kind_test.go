package pull_test

import (
	"testing"

	"github.com/certform/certform/sinks/pull"
	"github.com/certform/certform/sinks/sinktest"
)

func TestKind(t *testing.T) { sinktest.RunKind(t, pull.Kind()) }
