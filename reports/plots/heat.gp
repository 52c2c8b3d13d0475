# SPDX-License-Identifier: GPL-2.0-only
# One block of data: column, row, MiB/s, and the names of column and row.
set terminal svg size width, 90 + 44 * rows dynamic noenhanced font font
set xrange [-0.5:columns - 0.5]
set yrange [-0.5:rows - 0.5]
set border 0
set tics scale 0
set xlabel 'matching data'
set ylabel 'request'
unset key
unset colorbox
unset grid
set style fill solid 1 noborder
set logscale cb
set palette defined (0 '#ddf4ff', 0.5 '#54aeff', 1 '#0a3069')
set cbrange [slowest * 0.999:fastest * 1.001]
# Where the colour gets dark.
dark = slowest * (fastest / slowest) ** 0.68
shown(rate) = rate < 1024 ? sprintf('%.0f', rate) : sprintf('%.1fk', rate / 1024)
plot name.'.dat' index 0 every ::1 \
		using 1:2:(0.48):(0.46):3:xticlabels(4):yticlabels(5) with boxxyerror fc palette, \
	'' index 0 every ::1 using 1:2:($3 > dark ? '' : shown($3)) with labels \
		textcolor rgb '#0b0b0b', \
	'' index 0 every ::1 using 1:2:($3 > dark ? shown($3) : '') with labels textcolor rgb '#fefefe'
