# SPDX-License-Identifier: GPL-2.0-only
# What all plots look like. A page replaces these colours by its own, light or dark.
ink = '#1f2328'
faint = '#59636e'
rule = '#d1d9e0'
band = '#eff2f5'
c1 = '#0969da'
c2 = '#8250df'
c3 = '#1a7f37'
c4 = '#bc4c00'
c5 = '#bf3989'
c6 = '#9a6700'
c7 = '#0a7ea4'
c8 = '#6e7781'
worse = '#cf222e'
better = '#1a7f38'
same = '#6e7782'
inconclusive = '#9a6701'

width = 600
height = 420
font = 'sans-serif,14'
set encoding utf8
set micro
array colour[8] = [c1, c2, c3, c4, c5, c6, c7, c8]
colour_of(i) = colour[int(word(colours, i))]
# Points of one colour differ in their form: how many series before this one have its colour?
before(i) = i < 2 ? 0 : sum [k = 1 : i - 1] (word(colours, k) eq word(colours, i))
point_of(i) = int(word('7 5 9 11 13 6 4 8 10 12', 1 + before(i) % 10))
dash_of(i) = 1 + before(i) % 5

set datafile commentschars '#'
set output name.'.svg'
set border 3 lc rgb rule
set tics nomirror textcolor rgb faint
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set grid lc rgb rule lw 0.6 lt 1
set key textcolor rgb ink noopaque
set style fill solid 0.25 noborder
set errorbars 0.6
