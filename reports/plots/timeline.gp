# SPDX-License-Identifier: GPL-2.0-only
# A block of data for each condition: when, latency.
set terminal svg size width, height dynamic noenhanced font font
set logscale y
set format y unit
set xlabel clock ? 'seconds' : 'request' offset 0, 0.4
set ylabel metric
set key below Left reverse maxcols 2 samplen 2.5 font ',12'
plot for [i = 1:blocks] name.'.dat' index i - 1 using 1:($2 * factor) with points \
		pt 7 ps 0.4 lc rgb colour_of(i) title columnheader(1)
