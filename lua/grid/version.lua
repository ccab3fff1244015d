-- The version of this code: part of grid._VERSION and of the user agent. `-dev` marks the
-- code before that release; the rock is then called scm. For a release, remove `-dev`
-- here, in the README's table and in the annotation of options.lua, which specs compare,
-- and give the changelog its date.
return "0.1.0-dev"
