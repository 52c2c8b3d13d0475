# SPDX-License-Identifier: GPL-2.0-only
# The first blocks are samples, as many follow with the fit through each: x, y, low, high.
set terminal svg size width, height dynamic noenhanced font font
set logscale xy
set logscale x 2
set format x '%.0b%B'
set format y unit
set xlabel 'extents'
set ylabel 'time of a clone'
set key top left Left reverse
set offsets graph 0.02, graph 0.04, 0, 0
plot for [i = methods + 1:blocks] name.'.dat' index i - 1 every ::1 \
		using 1:($3 * factor):($4 * factor) with filledcurves lc rgb colour_of(i) notitle, \
	for [i = 1:methods] name.'.dat' index i - 1 using 1:($2 * factor) with points \
		ps 0.6 pt point_of(i) lc rgb colour_of(i) title columnheader(1), \
	for [i = methods + 1:blocks] name.'.dat' index i - 1 using 1:($2 * factor) with lines \
		lw 1.8 lc rgb colour_of(i) title columnheader(1)
