"""The console's colours: shades of the site's own teal, from light to dark."""

# 600 is the site's accent, 700 its darker form, 100 its soft one (static/css/app.css).
PRIMARY = {
    "50": "#f0f9f7",
    "100": "#e2f2f0",
    "200": "#c0e3df",
    "300": "#93cec8",
    "400": "#5bb5ac",
    "500": "#1f8c88",
    "600": "#0b6a6a",
    "700": "#084f4f",
    "800": "#073f40",
    "900": "#053233",
    "950": "#032021",
}
