-- The version of the library, a part of grid._VERSION and of the user agent. `-dev` marks
-- the code before the release; the rock is then called scm. For a release, remove `-dev`
-- here, in the README's table and in the annotation of options.lua, which specs compare,
-- and set the date in the changelog.
return "0.1.0-dev"
