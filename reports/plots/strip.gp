# SPDX-License-Identifier: GPL-2.0-only
# A row for each block of data: sample, row, median.
set terminal svg size width, 70 + 28 * blocks dynamic noenhanced font font
set logscale x
if (binary) set logscale x 2
set format x unit
set xtics font ',12'
if (crowded && !binary) set xtics 100
set xlabel metric
set yrange [blocks - 0.4:-0.6]
set border 1
set ytics scale 0 ('' 0)
set for [i = 1:blocks] ytics add (label[i] i - 1)
set grid
set offsets graph 0.02, graph 0.04, 0, 0
unset key
# The same for the same sample, and as good as chance: dots of a row do not hide each other.
jitter(n) = (((int(n) * 7919) % 101) / 100.0 - 0.5) * 0.5
plot for [i = 1:blocks] name.'.dat' index i - 1 every ::1 \
		using ($1 * factor):($2 + jitter($0)) with points pt 7 ps 0.3 lc rgb colour_of(i), \
	for [i = 1:blocks] name.'.dat' index i - 1 every ::1::1 \
		using ($3 * factor):($2 - 0.36):(0):(0.72) with vectors nohead lw 2.5 lc rgb ink
