package s3_test

import (
	"testing"

	"github.com/certform/certform/sinks/s3"
	"github.com/certform/certform/sinks/sinktest"
)

func TestKind(t *testing.T) { sinktest.RunKind(t, s3.Kind()) }
