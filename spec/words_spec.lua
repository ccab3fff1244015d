-- spec/support/words refuses its words and wide comments in texts that are read, and only
-- there. The refused words are concatenated here, since this file is checked too.

local child = require "spec.support.child"

describe("the check of words", function()
  local folder

  setup(function() folder = child.folder() end)
  teardown(function() folder:remove() end)

  -- -> exit code, what was found in a file of that name
  local function check(name, text)
    folder:write(name, text)
    local code, out = folder:run(("%s %s"):format(child.path "spec/support/words", name))
    return code, out
  end

  it("refuses a word in any case, with its line", function()
    assert.same({ 1, 'x.lua:2: refused: "no' .. 'body"\n' }, { check("x.lua", "-- A line.\n-- No" .. "body knows.\n") })
    for _, word in ipairs {
      "who" .. "ever", "SOME" .. "BODY", "every" .. "body's", "am" .. "id", "the " .. "world", "nothing  " .. "of",
      "in " .. "vain", "what " .. "comes", "any" .. "one", "makes no " .. "sense",
    } do
      assert.equal(1, (check("x.md", "This is " .. word .. ", it says.\n")), word)
    end
  end)

  it("refuses a phrase that is broken between two lines of a comment", function()
    assert.same({ 1, 'x.c:2: refused: "at re' .. 'st"\n' }, { check("x.c", "/* It is at\n * re" .. "st now. */\n") })
    assert.equal(1, (check("x.lua", "-- the\n-- wor" .. "ld\n")))
  end)

  it("takes other words, and code that only looks like one", function()
    assert.same({ 0, "" }, { check("x.lua", "-- The words: amidst, bodyguard, worldly.\nfor _ in at(rest) do nothing(of) end\n") })
  end)

  it("refuses a comment of more than 90 columns in C and Lua, and takes longer code and annotations", function()
    local wide = ("é"):rep(88)
    assert.same({ 0, "" }, { check("x.lua", "-- " .. wide:sub(3) .. "\n") })
    assert.same({ 1, "x.lua:1: a comment of more than 90 columns\n" }, { check("x.lua", "-- " .. wide .. "\n") })
    for _, line in ipairs { "/* %s */", " * %s", "// %s" } do
      assert.equal(1, (check("x.h", line:format(wide) .. "\n")))
    end
    for _, line in ipairs { "local x = '%s'", "---@field x string %s", "---| 'x' %s" } do
      assert.equal(0, (check("x.lua", line:format(wide) .. "\n")))
    end
    assert.equal(0, (check("x.md", "* " .. wide .. "\n")))
  end)
end)
