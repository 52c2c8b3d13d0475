# SPDX-License-Identifier: GPL-2.0-only
# A block of data for each verdict: ratio, low, high, row, verdict, name.
set terminal svg size width, 70 + 26 * rows dynamic noenhanced font font
set format x '%g'
span = highest - lowest
edge = span * 0.05
if (highest / lowest > 4) set logscale x
if (highest / lowest <= 4) set xtics span > 1 ? 0.5 : span > 0.25 ? 0.1 : span > 0.1 ? 0.05 : 0.02
set xrange [lowest > 2 * edge ? lowest - edge : lowest * 0.9:highest + edge]
set xlabel 'new / old'
set yrange [rows - 0.4:-0.6]
set border 1
set ytics scale 0 ('' 0)
set grid
set key above right horizontal samplen 1
if (threshold > 0) set object 1 rectangle from first 1 - threshold, graph 0 \
	to first 1 + threshold, graph 1 behind fc rgb band fs solid noborder
set arrow from first 1, graph 0 to first 1, graph 1 nohead lc rgb faint lw 1.2
plot for [i = 1:blocks] name.'.dat' index i - 1 every ::1 \
		using 1:4:2:3:yticlabels(6) with xerrorbars pt 7 ps 0.7 lw 1.6 \
		lc rgb value(label[i]) title label[i]
