# SPDX-License-Identifier: GPL-2.0-only
# A line for each block of data: x, value, quartiles; y is logarithmic unless `linear`.
set terminal svg size width, height + 18 * ((blocks + 1) / 2) dynamic noenhanced font font
if (linear) set yrange [0:*]
if (!linear) set logscale y (binary ? 2 : 10)
set logscale x 2
set format x x_unit
set format y unit
set xlabel x offset 0, 0.4
set ylabel metric
set key below Left reverse maxcols 2 samplen 2.5 font ',12'
set offsets graph 0.02, graph 0.04, 0, 0
plot for [i = 1:blocks] name.'.dat' index i - 1 every ::1 \
		using 1:($3 * factor):(0):(($4 - $3) * factor) with vectors nohead \
		lw 1 lc rgb colour_of(i) notitle, \
	for [i = 1:blocks] name.'.dat' index i - 1 using 1:($2 * factor) with linespoints \
		lw 1.8 ps 0.8 pt point_of(i) dt dash_of(i) lc rgb colour_of(i) title columnheader(1)
