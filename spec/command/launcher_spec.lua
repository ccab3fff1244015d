-- The start of the command: under each name and path, it finds the modules that it was
-- installed with.

local child = require "spec.support.child"
local grid = require "grid"

local VM = jit and "luajit" or "lua5.4"
local ABI = _VERSION:match "%d%.%d"

describe("the command", function()
  local folder

  -- A tree as `make install` makes it, of links to this build.
  setup(function()
    folder = child.folder()
    local core = child.absolute(package.searchpath("grid.core", package.cpath)) -- luacheck: ignore 143
    local code, _, problem = folder:run(([[
      root=%s core=%s vm=%s abi=%s
      mkdir -p "a tree/bin" "a tree/share/lua" "a tree/lib/lua" "it's here"
      ln -s "$root/lua" "a tree/share/lua/$abi" && ln -s "${core%%/grid/core.so}" "a tree/lib/lua/$abi"
      sed "1s|.*|#!$(command -v $vm)|" "$root/lua/bin/grid" >"a tree/bin/grid-$vm"
      cp "$root/lua/bin/grid-any" "a tree/bin/grid" && chmod 755 "a tree/bin"/*
      ln -s "a tree/bin" bin
      for name in grid grid-$vm; do
        ln -s "../a tree/bin/$name" "it's here/first-$name" && ln -s "it's here/first-$name" "second-$name"
      done]]):format(
      child.quote(child.root), child.quote(core), VM, ABI))
    assert.equal(0, code, problem)
  end)

  teardown(function() folder:remove() end)

  local function assert_starts(words, where)
    local code, out, err = folder:run("unset LUA_PATH LUA_CPATH; " .. words .. " --version", nil, folder.path .. "/" .. where)
    assert.same({ 0, grid._VERSION .. "\n", "" }, { code, out, err }, words)
  end

  for _, name in ipairs { "grid", "grid-" .. VM } do
    it("finds its modules by each path to it: " .. name, function()
      assert_starts(("'%s/a tree/bin/%s'"):format(folder.path, name), "")
      assert_starts("./" .. name, "a tree/bin")
      assert_starts("bin/" .. name, "a tree")
      assert_starts("../bin/" .. name, "a tree/bin")
      assert_starts("'a tree/bin/../bin/" .. name .. "'", "")
    end)

    it("finds its modules when the shell finds it in the folder it is in: " .. name, function()
      assert_starts("PATH=. " .. name, "a tree/bin")
      assert_starts("PATH=: " .. name, "a tree/bin")
      assert_starts("PATH=.:$PATH " .. name, "a tree/bin")
      assert_starts("PATH=bin " .. name, "a tree")
    end)

    it("finds its modules behind symbolic links to it and to its folder: " .. name, function()
      assert_starts("./second-" .. name, "")
      assert_starts("PATH=. second-" .. name, "")
      assert_starts(("'%s/second-%s'"):format(folder.path, name), "")
      assert_starts("./first-" .. name, "it's here")
      assert_starts("PATH=. first-" .. name, "it's here")
      assert_starts(("bin/%s"):format(name), "")
    end)
  end

  it("says so where the rocks that it belongs to are gone", function()
    local code, out, err = folder:run [[mkdir -p gone && cp "a tree/bin/grid" gone && gone/grid --version]]
    local words = "grid: lua-grid is not installed in gone any more; this file can go: rm 'gone/grid'\n"
    assert.same({ 127, "", words }, { code, out, err })
  end)

  it("starts in a checkout that was built", function()
    folder:run(([[
      mkdir -p clone/lua/bin clone/build && cp "a tree/bin/grid-%s" clone/lua/bin/grid && ln -s %s clone/lua
      ln -s "$(readlink -f "a tree/lib/lua/%s")" clone/build/%s]]):format(VM, child.path "lua/grid", ABI, VM))
    assert_starts("lua/bin/grid", "clone")
    assert_starts("./grid", "clone/lua/bin")
  end)
end)
