/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the snapshot oracle share: a history made into a graph.
 *
 * linear_build.c orders the operations and gathers who wrote which register; linear.c turns what
 * was read into edges and looks for a contradiction; linear_explain.c puts it into words.
 */
#ifndef COWBELL_LINEAR_INTERNAL_H
#define COWBELL_LINEAR_INTERNAL_H

#include "arena.h"
#include "linear.h"

/* no node, no edge, no operation */
#define NONE UINT32_MAX

/** struct node - an instant: of a whole operation, or of one register of a split one */
struct node {
	/** @inv, @ret: it lies between them */
	uint64_t inv, ret;
	/** @earliest, @level: where it lies at the earliest, and its place among those of that time
	 */
	uint64_t earliest;
	uint32_t level;
	/** @out: the first edge that leaves it; @in: how many arrive, while they are counted */
	uint32_t out, in;
	/** @op: whose it is; NONE: it only stands between the operations of an actor */
	uint32_t op;
};

/** enum why - what an edge is there for */
enum why {
	/** @WHY_PROGRAM: one actor did one after the other */
	WHY_PROGRAM,
	/** @WHY_READ: .to saw what .from had written */
	WHY_READ,
	/** @WHY_MISSED: .from saw what was there before .to wrote */
	WHY_MISSED,
	/** @WHY_OVERWROTE: .reader saw what .to had written, and .from had written before that */
	WHY_OVERWROTE,
};

/** struct edge - one instant comes before another */
struct edge {
	uint32_t from, to;
	/** @next: the next edge that leaves .from */
	uint32_t next;
	uint32_t reader, segment;
	enum why why;
};

/** struct write - one write of a segment */
struct write {
	uint64_t value;
	uint32_t node;
};

/**
 * struct segment - registers next to each other that no access tells apart, and their writes
 *
 * They are as one register: what holds for the first of them can be had for all.
 */
struct segment {
	uint32_t file, first;
	/** @start, @end: its writes, by the time of their invocation */
	uint32_t start, end;
	/** @cursor: where the last read found the writes of its time */
	uint32_t cursor;
	/** @overlap: some of its writes may have taken place in either order */
	bool overlap;
	/** @last_ret, @last_actor: of the writes gathered so far */
	uint32_t last_actor;
	uint64_t last_ret;
	/** @split_op, @split_node: the split operation that came by last, and its node here */
	uint32_t split_op, split_node;
};

/** struct candidate - writes [first, last] of equal value, which a read may have seen */
struct candidate {
	uint32_t first, last;
};

/** struct choice - a read of what was written more than once */
struct choice {
	uint32_t node, segment, access;
	/** @candidate, @count: part of the graph's candidates, behind which are those that were
	 * dropped, up to @all; @now: the one being tried */
	uint32_t candidate, count, all, now;
	/** @mark: where the trail and the edges were before */
	uint32_t trail_mark, edge_mark;
};

/** struct trail - what a node was before a trial */
struct trail {
	uint64_t earliest;
	uint32_t node, level;
};

/** enum fault - how a history is illegal */
enum fault {
	FAULT_NONE,
	/** @FAULT_READ: one read finds no write that it can have seen */
	FAULT_READ,
	/** @FAULT_ORDER: edges and times contradict each other */
	FAULT_ORDER,
	/** @FAULT_CHOICE: whichever of several equal values a read saw, that happens */
	FAULT_CHOICE,
};

/** struct graph - a history, made ready to be judged */
struct graph {
	const struct linear_history *h;
	struct arena *arena;
	/** @ignored: by access: do not judge this read; NULL: judge all */
	const bool *ignored;

	/** @order: the operations by the time of their invocation */
	uint32_t *order;
	/** @inv, @ret: by operation, narrowed to what its actor's others leave to it */
	uint64_t *inv, *ret;
	/** @actor, @previous: by operation: its actor's number, and what that did before */
	uint32_t *actor, *previous;
	/** @node_first, @node_end: by operation */
	uint32_t *node_first, *node_end;
	/** @low, @high: by access: its segments */
	uint32_t *low, *high;

	struct segment *segment;
	size_t segment_count;
	struct write *write;
	/** @until: by write, where a segment's writes overlap: the last return up to here */
	uint64_t *until;

	struct node *node;
	size_t node_count, node_room;
	struct edge *edge;
	size_t edge_count, edge_room;
	struct candidate *candidate;
	size_t candidate_count, candidate_room;
	struct choice *choice;
	size_t choice_count, choice_room;

	/** @sure_edges: how many edges there are whichever of equal values was seen */
	size_t sure_edges;
	/** @searching: labels are kept up to date with every edge, and the trail of it */
	bool searching;
	struct trail *trail;
	size_t trail_count, trail_room;
	uint32_t *queue;
	size_t queue_room;
	/** @budget: steps left */
	uint64_t budget;
	uint64_t reads;

	/** @fault, @bad_...: what is wrong first */
	enum fault fault;
	uint32_t bad_node, bad_segment, bad_choice;
	uint64_t bad_value;
};

/** graph_grow() - room for one more item of @size bytes, in an array of @count of them */
void *graph_grow(struct arena *arena, void *items, size_t count, size_t *room, size_t size);

/** graph_build() - order the operations, cut the files into segments and gather their writes */
void graph_build(struct graph *g);

/** graph_split_node() - the node of a split operation at a segment; those of one operation are
 * numbered in the order of its accesses, from @next on */
uint32_t graph_split_node(struct graph *g, uint32_t op, uint32_t segment, uint32_t *next);

/** graph_edge() - @from comes before @to; false: now there is a contradiction (when searching) */
bool graph_edge(struct graph *g, struct edge edge);

/** graph_take() - a read saw this candidate; false as above */
bool graph_take(struct graph *g, const struct choice *c, struct candidate seen);

/** graph_untake() - back to where there were so many edges */
void graph_untake(struct graph *g, size_t edges);

/** graph_propagate() - the earliest times of all nodes; false: edges and times contradict */
bool graph_propagate(struct graph *g);

/** graph_judge() - the whole of it */
enum linear_verdict graph_judge(struct graph *g);

/** graph_new(), graph_free() - for one history and one judgement */
struct graph *graph_new(const struct linear_history *h, const bool *ignored, uint64_t budget);
void graph_free(struct graph *g);

/* the longest way that is told, in edges */
#define WAY_MAX 64

/** struct way - edges that follow each other, to where it contradicts its start */
struct way {
	uint32_t edge[WAY_MAX];
	size_t count;
	/** @first, @last: its ends; the same node if it is a cycle */
	uint32_t first, last;
};

/**
 * graph_find_way() - the shortest contradiction among edges and times, or nearly
 *
 * graph_propagate() must have found that there is one. Returns false if it is too long.
 */
bool graph_find_way(struct graph *g, struct way *best);

/** struct read - a read that may be left out of account, to see whether it matters */
struct read {
	uint32_t access, op;
};

/**
 * graph_drop_reads() - leave out of account what reads can be, so that the history stays illegal
 * @read: those that remain, in the graph's arena; @ignored: by access, all others
 *
 * Returns how many remain.
 */
size_t graph_drop_reads(struct graph *g, uint64_t budget, struct read **read, bool **ignored);

/** linear_explain() - say why, and whom to blame; @g was judged to be illegal */
void linear_explain(struct graph *g, uint64_t budget, struct linear_result *out);

#endif
