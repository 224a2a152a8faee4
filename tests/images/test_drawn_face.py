"""A seed draws the same faces in every release, because published figures were measured on them."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from finetune.images.drawn_face import Identity
from finetune.images.drawn_photo import draw_face

SIDE = 20
DRAWN = {
    12: (
        "WM*e+ZE$pVeS?XQmX?*2larN~V`OJ(Y;SUQdxM6Hl9QB^l97~^Vq<1#Yi@CNe}jdFh>ntxkdTp+V`XM(Y;SaYe}aRBhlz`ei;Iko"
        "WM*h<ZE<;feSd+2g@=lUg@uQSW@l<_aCCTjeSUv~goTKOe}I95XK8D0aBpsKbbNn=mYa!&d3t<(XlZP2aC3Ecbbp$wpr4wGb#-"
        "=lW@u|{Z+VDRiK?)(ueY&`b#rufWoBq<bas)6tEjE6v`n*<b8&NXV`OG$Y?qy+rkka&wU@h^Z*FjLU}9rrV3wbuoQ0XKu(Ps<Yiw"
        "<BUSDBhVTYWcqo$~<uCbMJYHMw7SzBCPUTB$}p`)g#tF3fvZf|mPQ&m=3T3cmoRAiK<o_cC-"
        "a&>okO;1r&R#{q7H77!CUT14?b$Wb%NJ>mkR99+gT3lOZU}kJ{d4GX}L`6qTP*rbucy)YtUuA7{e1e9DLPbeTPf=@jcYAzsUSw=@"
        "dxC_AMoLUgPf%ZUc6fSVTw!W*dVzz5"
    ),
    33: (
        "d3kwwcy@Jme~6Qvq?n3&Y+qemd3kwwcXxGme~FWwq?n0&Y+qhod3kwxcXoDRNI61Xk(h~lY+znpc6N4lc5^@{CnqN-Drkm!Y++wt"
        "b8>TYbU!F3C?_W;CnsEZZDV3#Z*OpMS12bZD^_DZCnqUvY-"
        "D6(Yin$8GbbllsJXegmO>{)ZDwU=YH4a>CoP4XcbJ@{g>h0SYH4R^Zf<T?F`Kl9my4H*g^I04T5fJ_baZuGnYy}=d9Iy!uAaDrY;"
        "<&UdwP3`vbwsEl%0W_k(ZaGiF$c?fq{XDuDiOqy1AgFp1HZMhJk>8g@lEKl)AgSy1J&Zt-86PiH3!Qe|~>{f3CZ`y1IvOpt-"
        "k;gn@v6c6N4ndV{sRx^_`lPOY1RetLO%ZEbFGb$W`nyQPYTqNIX+cXM-dW@Tk-"
        "ad>`@uDZLpriOcVacyjDU0q&gZFYW<mYAECmWg(7Y-eX?TwGmbZFPQ-mX?*4mWg_FY-VL<TwGmcZF+%<mY0^6m4tzSe|2YO"
    ),
    34: (
        "s;jG|pO=t|ij9zym6Vc@j*X3ssHUl-oRp1;iHwhtlah~(jf#qlq@|>vnv#owZfkyzkdTgyiHM1cmzbHAla6XTI5;^_ijIqlh=zuT"
        "ii(Sii)}YII5#&pPmGI+hlPZOe13m|f<87jH#RplH))B8hJ%EIadLBaUo|#1H%?PKH$jMngMosAXlQG2LNqcmOLlQgI5l#Gfr5a7"
        "Z*X#VG%`40UT0-wW=CCyhlhxVetmy+F*s^qab8`6S8`T{iH?nsh>41MPg{O_cw1J3dwE%hkCT>{la-TzMQK-"
        "CV_IEfVpv*-k(r&JoSU4FDP3)BZ)0R_Z&y`^m7k%bk&=>-Fgt2$Ygk-qZ#!Uyk(-"
        "^Kg@=cRL?||4RYpTkPAPALjh302e0+X>VkagkGbkr5C^mY5ijb6)aBy*Tc{V0OF*iU<C|Y`eg^Z4mW@cw@b!#e1QBhG)Ky-"
        "M1gNTWVVq|4&ae8iAPEb%@fq{R2frN&KVqs))czSwtQB6^Ifr5gBgMx&G"
    ),
}
"""Grey thumbnails by number: one with a beard, one with glasses and a moustache, one with long hair and both."""


@pytest.mark.parametrize("number", DRAWN)
def test_a_seed_draws_the_face_that_it_always_drew(number):
    identity = Identity.draw(np.random.default_rng([3, number]))
    pixels = np.asarray(draw_face(identity, 6 * SIDE, np.random.default_rng([4, number]), variation=0.5), float)
    thumbnail = pixels.mean(axis=2).reshape(SIDE, 6, SIDE, 6).mean(axis=(1, 3))
    expected = np.frombuffer(base64.b85decode(DRAWN[number]), np.uint8).reshape(SIDE, SIDE)
    # Other versions of Pillow draw an edge's pixels a little otherwise.
    np.testing.assert_allclose(thumbnail, expected, atol=2.5)
