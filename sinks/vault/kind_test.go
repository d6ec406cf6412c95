package vault_test

import (
	"testing"

	"github.com/certform/certform/sinks/sinktest"
	"github.com/certform/certform/sinks/vault"
)

func TestKind(t *testing.T) { sinktest.RunKind(t, vault.Kind()) }
