/*
 * The idle clock: what the sessions of all listeners and workers are doing, and since when nothing
 * was written. Each worker writes its own slot with plain stores (one writer, its own cache line),
 * so a statement costs no locked instruction; whoever asks adds the slots up.
 */
#ifndef ELEXGATE_PROXY_IDLE_CLOCK_H
#define ELEXGATE_PROXY_IDLE_CLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct idle_slot {
    _Atomic uint64_t last_write_ms;     /* CLOCK_MONOTONIC; a write statement began or ended */
    _Atomic uint64_t last_statement_ms; /* the same for any statement */
    _Atomic uint32_t sessions;          /* logged in */
    _Atomic uint32_t in_flight;         /* sessions with a statement in flight */
    _Atomic uint32_t write_in_flight;   /* those whose statement may write */
    _Atomic uint32_t transactions;      /* sessions with an open transaction */
    _Atomic uint32_t unknown;           /* those whose last answer, an error, left that open */
    _Atomic uint32_t pending;           /* not logged in yet */
} __attribute__((aligned(64)));

struct idle_report {
    uint64_t write_ms, statement_ms; /* ago */
    uint32_t sessions, in_flight, write_in_flight, transactions, unknown, pending;
};

/* For the slot's own thread. */
#define SLOT_SET(field, v) atomic_store_explicit(&(field), (v), memory_order_relaxed)
#define SLOT_GET(field)    atomic_load_explicit(&(field), memory_order_relaxed)
#define SLOT_ADD(field, v) SLOT_SET(field, SLOT_GET(field) + (v))

/* started_ms: when counting began; stands in while nothing was seen. Any thread. */
struct idle_report idle_clock_report(
    struct idle_slot *const *slots, size_t n, uint64_t now_ms, uint64_t started_ms);

#endif
