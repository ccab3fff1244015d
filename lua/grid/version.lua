-- The version of this code, in one place: grid._VERSION and the user agent are made of
-- it. `-dev` is what comes before that release; the rock is called scm meanwhile. A
-- release takes the `-dev` off here, in the README's table and in options.lua's
-- annotation, which specs compare, and gives the changelog its date.
return "0.1.0-dev"
