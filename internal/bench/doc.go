// Command bench measures what certform costs beside the least that the same
// work can cost, and says whether the goals are met. `make bench` runs it.
//
// # What runs
//
// Three processes on loopback, begun afresh for every run:
//
//   - the world: an ACME CA that takes 25 ms for a request and works on 50 at
//     once, and a DNS host behind a webhook that takes 100 ms for a call,
//     accepts 5 calls a second and 500 changes a call, and shows a change at
//     its authoritative server 2 s after it accepted it. The CA looks into that
//     DNS directly.
//   - the floor: acmez's step-wise client with 50 workers, all orders first,
//     then all TXT values in as few calls as the host allows, one wait for the
//     propagation, then challenges, finalize, download and plain files. It
//     remembers nothing and cleans nothing up. Arithmetic says how long it must
//     take; if it is not within 10 % of that, the measurement is worthless and
//     the bench fails.
//   - the client: the built certform, `apply` on a configuration that names the
//     same certificates, with state, seal, file sink and clean-up.
//
// Floor and client take turns; of several runs the median counts, of memory and
// calls the worst. A second figure is `plan` of a large fleet that is as it
// should be, with nothing to talk to.
//
// # What it does not show
//
// All processes share the machine's cores, so what the world computes is missing
// to the client. Latencies are those of a sleep, not of a network.
package main
