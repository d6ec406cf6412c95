package file_test

import (
	"testing"

	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

func TestKind(t *testing.T) { sinktest.RunKind(t, file.Kind()) }
